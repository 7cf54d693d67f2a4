//! Files of every sort, made here byte by byte; hostile ones; and any bytes at all.

mod hostile;
mod reading;
mod writer;
