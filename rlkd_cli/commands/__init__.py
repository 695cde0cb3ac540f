"""The commands: options in, one pipeline call, a summary for people."""
