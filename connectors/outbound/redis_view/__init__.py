"""The Redis view: what the outbound topics say, kept in Redis for readers that want an answer in a millisecond."""
