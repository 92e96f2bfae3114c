// Before the first paint: the chosen theme and language, so that nothing flashes.
(() => {
  const kept = (name) => { try { return localStorage.getItem(name); } catch { return null; } };
  const root = document.documentElement;
  const theme = kept('weir.theme');
  if (theme === 'light' || theme === 'dark') root.dataset.theme = theme;
  const lang = kept('weir.lang') || (navigator.language || '').slice(0, 2);
  root.lang = lang === 'zh' ? 'zh-CN' : 'en';
})();
