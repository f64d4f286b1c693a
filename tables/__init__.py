"""What is true: pure folds over canonical events. No Faust, no I/O, no clock: time arrives as an argument."""
