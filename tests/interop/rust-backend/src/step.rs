//! One thing to do on the back-end channel, and the line that says how it went.

use std::ffi::c_int;
use std::fs::File;
use std::os::fd::FromRawFd;
use std::os::unix::fs::MetadataExt;
use std::time::Duration;
use std::{fmt, io, thread};

use vhost::vhost_user::message::{VhostUserMMap, VhostUserMMapFlags};
use vhost::vhost_user::{Backend, VhostUserFrontendReqHandler};

use crate::log::Log;

#[derive(Clone, Copy)]
pub enum Step {
    Map { range: Range, fd_offset: u64, writable: bool },
    Unmap { range: Range },
    Wait { duration: Duration },
}

#[derive(Clone, Copy)]
pub struct Range {
    shmid: u8,
    shm_offset: u64,
    len: u64,
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "shmid {} shm_offset {:#x} len {:#x}", self.shmid, self.shm_offset, self.len)
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Step::Map { range, fd_offset, writable } => {
                let access = if *writable { "rw" } else { "ro" };
                write!(f, "map {range} {access}")?;
                if *fd_offset == 0 { Ok(()) } else { write!(f, " fd_offset {fd_offset:#x}") }
            }
            Step::Unmap { range } => write!(f, "unmap {range}"),
            Step::Wait { duration } => write!(f, "wait {}ms", duration.as_millis()),
        }
    }
}

impl Step {
    /// Blocks until the front-end has answered. The crate keeps no errno: any non-zero answer is
    /// "front-end internal error".
    pub fn run(&self, backend: Option<&Backend>, log: &Log) -> String {
        match self.attempt(backend, log) {
            Ok(_) => format!("{self} -> ok"),
            Err(error) => format!("{self} -> error: {error}"),
        }
    }

    fn attempt(&self, backend: Option<&Backend>, log: &Log) -> io::Result<u64> {
        let channel = || backend.ok_or_else(|| io::Error::other("no back-end channel"));
        match *self {
            Step::Map { range, fd_offset, writable } => {
                let file = memory_file(fd_offset.saturating_add(range.len))?;
                let flags = if writable { VhostUserMMapFlags::WRITABLE } else { VhostUserMMapFlags::empty() };
                let answer = channel()?.shmem_map(&message(range, fd_offset, flags), &file);
                let facts = file.metadata()?;
                let (device, inode) = (facts.dev(), facts.ino());
                let more = format!(
                    r#","fd_offset":{fd_offset},"writable":{writable},"device":{device},"inode":{inode}"#
                );
                log.line(&(entry("map", range, &answer) + &more));
                answer
            }
            Step::Unmap { range } => {
                let answer = channel()?.shmem_unmap(&message(range, 0, VhostUserMMapFlags::empty()));
                log.line(&entry("unmap", range, &answer));
                answer
            }
            Step::Wait { duration } => {
                thread::sleep(duration);
                Ok(0)
            }
        }
    }
}

/// What both requests have in the log.
fn entry(request: &str, range: Range, answer: &io::Result<u64>) -> String {
    let Range { shmid, shm_offset, len } = range;
    let ok = answer.is_ok();
    format!(r#""request":"{request}","shmid":{shmid},"shm_offset":{shm_offset},"len":{len},"ok":{ok}"#)
}

fn message(range: Range, fd_offset: u64, flags: VhostUserMMapFlags) -> VhostUserMMap {
    let Range { shmid, shm_offset, len } = range;
    VhostUserMMap { shmid, padding: [0; 7], fd_offset, shm_offset, len, flags: flags.bits() }
}

/// A memfd that can no longer shrink, as a considerate back-end hands out.
fn memory_file(size: u64) -> io::Result<File> {
    // SAFETY: the name is a C string, and a descriptor that is not negative is new and ours.
    let file = unsafe {
        let fd = libc::memfd_create(c"rust-shmem".as_ptr(), libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING);
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        File::from_raw_fd(fd)
    };
    file.set_len(size)?;
    seal(&file, libc::F_SEAL_SHRINK)?;
    Ok(file)
}

fn seal(file: &File, seals: c_int) -> io::Result<()> {
    use std::os::fd::AsRawFd;
    // SAFETY: F_ADD_SEALS takes an int and touches no memory of ours.
    match unsafe { libc::fcntl(file.as_raw_fd(), libc::F_ADD_SEALS, seals) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Reads steps separated by ';'; empty ones are skipped.
pub fn parse_all(text: &str) -> Result<Vec<Step>, String> {
    text.split(';').map(str::trim).filter(|step| !step.is_empty()).map(parse).collect()
}

fn parse(text: &str) -> Result<Step, String> {
    match text.split_whitespace().collect::<Vec<_>>()[..] {
        ["map", shmid, shm_offset, len, access @ ("rw" | "ro"), ref rest @ ..] if rest.len() <= 1 => {
            Ok(Step::Map {
                range: range(shmid, shm_offset, len)?,
                fd_offset: rest.first().map_or(Ok(0), |text| number(text))?,
                writable: access == "rw",
            })
        }
        ["unmap", shmid, shm_offset, len] => Ok(Step::Unmap { range: range(shmid, shm_offset, len)? }),
        ["wait", time] => {
            let milliseconds = number(time.strip_suffix("ms").unwrap_or(time))?;
            Ok(Step::Wait { duration: Duration::from_millis(milliseconds) })
        }
        _ => Err(format!("'{text}' is neither map, unmap nor wait with their arguments")),
    }
}

fn range(shmid: &str, shm_offset: &str, len: &str) -> Result<Range, String> {
    let shmid = shmid.parse().map_err(|_| format!("'{shmid}' is not a shmid, 0 to 255"))?;
    Ok(Range { shmid, shm_offset: number(shm_offset)?, len: number(len)? })
}

/// Reads a decimal or 0x number, with K, M or G for binary multiples.
pub fn number(text: &str) -> Result<u64, String> {
    let (digits, shift) = match text.as_bytes().last() {
        Some(b'K') => (&text[..text.len() - 1], 10),
        Some(b'M') => (&text[..text.len() - 1], 20),
        Some(b'G') => (&text[..text.len() - 1], 30),
        _ => (text, 0),
    };
    let value = match digits.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16),
        None => digits.parse(),
    };
    let value = value.ok().and_then(|value| value.checked_mul(1 << shift));
    value.ok_or_else(|| format!("'{text}' is not a number of bytes"))
}
