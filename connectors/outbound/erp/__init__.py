"""The ERP connector: brings every posting into the ERP once, in order, at a pace it can bear. Start with connector.py."""
