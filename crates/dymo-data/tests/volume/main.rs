//! NIfTI files as bytes: valid ones of every kind, damaged ones, and such as were made to do harm.
mod allocation;
mod bytes;
mod forms;
mod hostile;
mod refused;
mod valid;
