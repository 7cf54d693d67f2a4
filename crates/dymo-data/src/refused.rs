//! Files that the system does not give.

/// What to do about a file that the system does not give.
pub(crate) fn remedy(refused: &std::io::Error) -> &'static str {
    match refused.kind() {
        std::io::ErrorKind::NotFound => "correct the path, or put the file back",
        std::io::ErrorKind::IsADirectory => "name a file",
        std::io::ErrorKind::PermissionDenied => "give yourself the right to it",
        _ => "see that the disk is sound and has room, and try again",
    }
}
