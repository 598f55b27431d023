//! The child's side of [`CbcProcess`](super::CbcProcess).

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::os::fd::AsFd;

use super::wire::{Request, answer, read_frame, write_frame};

/// Answers the problems that come on standard input, on standard output: all that the program
/// of a [`CbcProcess`](super::CbcProcess) has to do.
///
/// From here on, standard output leads to standard error for everyone else in this process, so
/// that nothing that a library prints can get between the answers.
///
/// # Errors
/// As [`serve`].
pub fn serve_stdio() -> io::Result<()> {
    let output = File::from(io::stdout().as_fd().try_clone_to_owned()?);
    nix::unistd::dup2_stdout(io::stderr())?;
    serve(io::stdin().lock(), output)
}

/// Answers problems until the input ends, which it does when the parent is gone.
///
/// Answers are held back while there are more problems to read, so that those that came together
/// are answered together.
///
/// # Errors
/// When the input is not what `CbcProcess` writes, or either side cannot be reached any more.
/// The parent is gone, so the program should simply end.
pub fn serve(input: impl Read, output: impl Write) -> io::Result<()> {
    let mut output = BufWriter::with_capacity(1 << 16, output);
    let mut input = BufReader::with_capacity(1 << 16, input);
    let mut buffer = Vec::new();
    while let Some(request) = read_frame::<Request>(&mut input, &mut buffer)? {
        write_frame(&mut output, &mut buffer, &answer(request)?)?;
        if input.buffer().is_empty() {
            output.flush()?;
        }
    }
    Ok(())
}
