"""What may be said: the records, the topics that carry them, and the rules by which both may change."""
