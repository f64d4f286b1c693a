"""The figures of RESULTS.md, each a command that anyone can repeat: `stockstream bench NAME`."""
