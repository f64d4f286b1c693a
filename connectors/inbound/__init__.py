"""What comes in, from systems that do not write to the topics themselves."""
