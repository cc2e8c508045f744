//! File systems of a test's own, unmounted when dropped. Must not know: what is kept on them.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A mounted file system.
pub struct Disk(PathBuf);

impl Disk {
    /// One in memory, of a size as `mount` writes it. None where this user may not mount.
    pub fn memory(at: &Path, size: &str) -> Option<Disk> {
        Disk::mount(at, &["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"])
    }

    /// The one in an image file. None where this user may not mount, or this machine has no loop devices.
    pub fn image(at: &Path, image: &Path) -> Option<Disk> {
        // The file system itself writes what nobody asked it to only after minutes: a test of lost power is to find what was synced, and no more.
        Disk::mount(at, &["-o", "loop,commit=600", image.to_str()?])
    }

    fn mount(at: &Path, how: &[&str]) -> Option<Disk> {
        std::fs::create_dir_all(at).unwrap();
        let mounted = Command::new("mount").args(how).arg(at).output();
        mounted.is_ok_and(|out| out.status.success()).then(|| Disk(at.to_owned()))
    }

    /// Lets it be written, or only read.
    pub fn writable(&self, writable: bool) {
        let how = if writable { "remount,rw" } else { "remount,ro" };
        assert!(Command::new("mount").args(["-o", how]).arg(&self.0).status().unwrap().success());
    }

    /// Takes all the room there is.
    pub fn fill(&self) -> PathBuf {
        let path = self.0.join("ballast");
        let mut file = File::create(&path).unwrap();
        while file.write_all(&[1; 4096]).is_ok() {}
        path
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let unmount = |how: &[&str]| Command::new("umount").args(how).arg(&self.0).output().is_ok_and(|out| out.status.success());
        let _ = unmount(&[]) || unmount(&["-l"]);
    }
}

/// An ext4 file system in a file. False where there is no tool for it.
pub fn make_image(image: &Path, bytes: u64) -> bool {
    File::create(image).unwrap().set_len(bytes).unwrap();
    // All of it now: what is made later, behind our back, would be written at the wrong moment.
    let whole = ["-q", "-E", "lazy_itable_init=0,lazy_journal_init=0"];
    Command::new("mkfs.ext4").args(whole).arg(image).output().is_ok_and(|out| out.status.success())
}
