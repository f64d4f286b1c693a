"""What happens: the Faust application. The only importer of Faust; thin wiring around the folds in `tables`."""
