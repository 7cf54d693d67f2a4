//! The command as a user meets it: the binary, files, exit codes.

mod bad_input;
mod bad_tables;
mod cross_validation;
mod end_to_end;
mod help;
mod import;
mod kinds;
mod missing;
mod model;
mod place;
mod resume;
mod shipped;
mod tables;
mod trust;
mod tutorial;
