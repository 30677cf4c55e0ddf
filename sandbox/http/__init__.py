"""How the sandbox is spoken to: sockets, signatures, bodies, and responses that go wrong."""
