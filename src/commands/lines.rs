//! Words on standard output and standard error. Where nobody reads any more they are dropped: a reader that has gone away,
//! as `head` does, is no reason to stop half-way, let alone to panic as `println!` would.

use std::io::{self, ErrorKind, Write};

/// To standard output, as it is. Fails where the words would be lost although somebody wants them, as on a full disk.
pub fn out(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

/// To standard error, with an end of line. There is nobody to tell if that fails.
pub fn err(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}
