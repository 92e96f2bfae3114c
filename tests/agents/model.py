"""A model for agents, in all five protocols: asks once for a tool that reads a file, then tells what the tool said.

What it asks for depends on which of `TOOLS` the agent offers; what it tells begins with `TOLD`, so that an agent that
prints it has carried the call out and the result back.
"""

import json
import sys
from pathlib import Path
from urllib.parse import urlsplit

sys.path.insert(0, str(Path(__file__).parents[1] / "sdk"))

import fake_provider
import scripted_provider as scripted

TOLD = "The tool said: "
COMMAND = "cat note.txt"

# Tools of agents that run a command or read a file, the best first, and what each is asked.
TOOLS = {
    "Bash": {"command": COMMAND, "description": "Read a note"},
    "bash": {"command": COMMAND, "description": "Read a note"},
    "exec_command": {"cmd": COMMAND},
    "shell_command": {"command": COMMAND},
    "shell": {"command": ["bash", "-lc", COMMAND]},
    "run_shell_command": {"command": COMMAND, "description": "Read a note"},
    "read_note": {"name": "note.txt"},
}


def words(content):
    """All text in `content`, however deep."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "\n".join(words(part) for part in content)
    if isinstance(content, dict):
        return "\n".join(words(content[name]) for name in ("text", "content", "output", "response", "result", "error") if name in content)
    return ""


def offered(body):
    """The names of the request's tools, in whichever protocol it is."""
    names = []
    for tool in body.get("tools") or []:
        for function in tool.get("functionDeclarations") or tool.get("function_declarations") or tool.get("tools") or [tool.get("function", tool)]:
            names.append(function.get("name"))
    return names


def last(body):
    """The last turn's result of a tool, or None where the last word is not a tool's."""
    turns = body.get("messages") or body.get("input") or body.get("contents")
    if isinstance(turns, str):
        return None
    turn = turns[-1]
    if turn.get("role") == "tool" or turn.get("type", "").endswith("_output"):
        return words(turn)
    parts = turn.get("content") or turn.get("parts") or []
    if isinstance(parts, str):
        return None
    results = [part.get("functionResponse", part) for part in parts if part.get("type") == "tool_result" or "functionResponse" in part]
    return words(results) if results else None


def said(body):
    result = last(body)
    tools = [name for name in TOOLS if name in offered(body)]
    if result is not None:
        return {"text": [TOLD, result], "thought": ["It has ", "been read."], "calls": [], "stop": "stop"}
    if tools:
        return {"text": ["I read ", "the note."], "thought": ["A tool ", "is there."], "calls": [(tools[0], TOOLS[tools[0]])], "stop": "calls"}
    return {"text": ["Nothing to do."], "thought": [], "calls": [], "stop": "stop"}


class Model(fake_provider.Provider):
    """`server.hurts` are what befalls the next answers: a status, `cut` or `broken`."""

    def serve(self, body):
        self.server.requests.append((self.command, self.path, dict(self.headers), body))
        path = urlsplit(self.path).path
        spoken = next((spoken for end, spoken in scripted.SPOKEN.items() if path.endswith(end)), None)
        if spoken is None:
            return self.whole({"error": {"message": f"no such path: {path}"}}, 404)
        whole, stream, error = spoken
        hurt = self.server.hurts.pop(0) if self.server.hurts else None
        if hurt and hurt.isdigit():
            return self.whole(error(int(hurt), "made to fail"), int(hurt))
        if "streamGenerateContent" not in path and not body.get("stream", whole is scripted.ollama):
            return self.whole(whole("model", said(body), False))
        events = list(stream("model", said(body)))
        if hurt:
            events = [*events[:4], *(scripted.BREAKS[stream](scripted.BROKEN) if hurt == "broken" else [])]
        kind = "application/x-ndjson" if whole is scripted.ollama else "text/event-stream"
        self.stream(events, kind, whole=hurt != "cut")
