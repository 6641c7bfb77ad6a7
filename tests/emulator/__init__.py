"""The emulator, in process and over HTTP. Every answer is checked against the document."""
