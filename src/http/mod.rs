//! HTTP/1.1 as bytes: heads, bodies, chunks (RFC 9110, RFC 9112). No sockets.
