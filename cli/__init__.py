"""The one console command, `stockstream`."""
