//! The tools of storage where they should not be: on another program's folder, on a disk that is full or read-only, twice at once. What is not theirs
//! stays as it is, and nothing half written looks whole. Must not know: any type of the host.
#![allow(clippy::unwrap_used)]

use crate::disk::Disk;
use crate::process::loud;
use crate::tools::{good, recorded, refused, tool};
use std::path::{Path, PathBuf};

/// Every file below a folder, and what is in it.
fn held(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let (mut found, mut folders) = (vec![], vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { found.push((path.clone(), std::fs::read(path).unwrap())) }
        }
    }
    found.sort();
    found
}

#[test]
fn tools_elsewhere_leave_the_folder_of_another_program_alone() {
    let folder = tempfile::tempdir().unwrap();
    let (other, out) = (folder.path().join("other"), folder.path().join("out"));
    for (name, text) in [("journal/0000000001.seg", "not ours"), ("journal/readme", "hi"), ("store/db", "x")] {
        std::fs::create_dir_all(other.join(name).parent().unwrap()).unwrap();
        std::fs::write(other.join(name), text).unwrap();
    }
    let before = held(&other);
    let each: [(&[&str], bool); 7] = [
        (&["journal", "export"], false),
        (&["journal", "stat"], false),
        (&["journal", "anchor"], false),
        (&["store", "stat"], false),
        (&["store", "rebuild"], false),
        (&["backup"], true),
        (&["evidence", "export", "--alarm", "1"], true),
    ];
    let paths = |data: &'static str, writes: bool| {
        let data = folder.path().join(data);
        if writes { vec![("--data", data), ("--out", out.clone())] } else { vec![("--data", data)] }
    };
    let borrowed = |paths: &[(&'static str, PathBuf)]| paths.iter().map(|(flag, path)| (*flag, path.clone())).collect::<Vec<_>>();
    for (words, writes) in each {
        let paths = borrowed(&paths("other", writes));
        let paths: Vec<(&str, &Path)> = paths.iter().map(|(flag, path)| (*flag, path.as_path())).collect();
        let said = refused(words, &paths);
        assert!(said.contains("is one of a journal of safety-brain") && said.contains("--data"), "{words:?}: {said}");
    }
    let manifest = other.join("manifest.json");
    std::fs::write(&manifest, "{}").unwrap();
    assert!(refused(&["restore"], &[("--from", &other), ("--data", &out)]).contains("this is no backup"));
    std::fs::remove_file(manifest).unwrap();
    assert!(held(&other) == before && !out.exists(), "something was written");

    // The control, and a store whose journal is gone: it is the only copy.
    let data = recorded(folder.path());
    good(&["store", "rebuild"], &[("--data", &data)]);
    std::fs::write(data.join("journal/0000000001.seg"), "gone").unwrap();
    let before = held(&data.join("store"));
    assert!(refused(&["store", "rebuild"], &[("--data", &data)]).contains("journal of safety-brain"));
    assert!(held(&data.join("store")) == before && before.len() > 50, "the store is left as it is");
}

#[test]
fn tools_elsewhere_a_full_or_read_only_disk_is_named_with_its_remedy_and_nothing_looks_whole() {
    let test = "tools_elsewhere_a_full_or_read_only_disk_is_named_with_its_remedy_and_nothing_looks_whole";
    let folder = tempfile::tempdir().unwrap();
    let (small, backup) = (folder.path().join("small"), folder.path().join("backup"));
    let Some(disk) = Disk::memory(&small, "1m") else {
        loud(&format!("{test}: this user may not mount a file system"));
        return;
    };
    let data = recorded(folder.path());
    good(&["evidence", "key"], &[("--data", &data)]);
    good(&["backup"], &[("--data", &data), ("--out", &backup)]);
    let (copy, back, file) = (small.join("copy"), small.join("back"), small.join("file"));
    let evidence = ["evidence", "export", "--alarm", "1"];
    let all = |remedy: &str| {
        for (words, paths) in [
            (&["backup"][..], [("--data", &data), ("--out", &copy)]),
            (&["restore"], [("--from", &backup), ("--data", &back)]),
            (&evidence, [("--data", &data), ("--out", &file)]),
        ] {
            let paths = paths.map(|(flag, path)| (flag, path.as_path()));
            let said = refused(words, &paths);
            assert!(said.contains(small.to_str().unwrap()) && said.contains(remedy), "{words:?}: {said}");
        }
        assert!(!back.exists() && !file.exists() && !copy.join("manifest.json").exists());
    };
    disk.fill();
    all("make room on that disk");
    assert!(refused(&["restore"], &[("--from", &copy), ("--data", &folder.path().join("x"))]).contains("not finished"));
    assert!(refused(&["backup"], &[("--data", &data), ("--out", &copy)]).contains("cut short"));
    std::fs::remove_dir_all(&copy).unwrap();
    assert!(!back.exists(), "nothing half made is left");
    disk.writable(false);
    all("mounted read-only");
    drop(disk);
    assert!(refused(&["restore"], &[("--from", &backup), ("--data", &backup.join("x"))]).contains("which is copied"));
    assert!(!backup.join("x").exists());
}

#[test]
fn tools_elsewhere_two_at_once_make_one_and_whole() {
    let folder = tempfile::tempdir().unwrap();
    let data = recorded(folder.path());
    good(&["evidence", "key"], &[("--data", &data)]);
    let at = |name: &str| folder.path().join(name);
    let (backup, restored, file) = (at("backup"), at("restored"), at("file"));
    let twice = |words: &[&str], paths: &[(&str, &Path)]| {
        let done = std::thread::scope(|scope| {
            let one = || scope.spawn(|| tool(words, paths));
            [one(), one()].map(|one| one.join().unwrap())
        });
        let well = done.iter().filter(|out| out.status.success()).count();
        let said: Vec<_> = done.iter().map(|out| String::from_utf8_lossy(&out.stderr).into_owned()).collect();
        assert_eq!(well, 1, "{words:?}: {said:?}");
    };
    twice(&["backup"], &[("--data", &data), ("--out", &backup)]);
    twice(&["restore"], &[("--from", &backup), ("--data", &restored)]);
    twice(&["evidence", "export", "--alarm", "1"], &[("--data", &data), ("--out", &file)]);
    let export = |data: &Path| good(&["journal", "export"], &[("--data", data)]);
    assert!(export(&data) == export(&restored));
    good(&["evidence", "verify"], &[("", &file)]);
}

/// A mount point nothing takes the place of, and a link leads somewhere.
#[test]
fn tools_elsewhere_a_restore_goes_into_mount_points_and_through_links() {
    let test = "tools_elsewhere_a_restore_goes_into_mount_points_and_through_links";
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let (data, backup, linked, link) = (recorded(folder.path()), at("backup"), at("linked"), at("link"));
    good(&["backup"], &[("--data", &data), ("--out", &backup)]);
    let records = good(&["journal", "export"], &[("--data", &data)]);
    let is_whole = |data: &Path| {
        assert_eq!(good(&["journal", "export"], &[("--data", data)]), records, "{}", data.display());
        assert!(!data.join(".restoring").exists() && data.join("restored").exists());
    };
    std::fs::create_dir(&linked).unwrap();
    std::os::unix::fs::symlink(&linked, &link).unwrap();
    good(&["restore"], &[("--from", &backup), ("--data", &link)]);
    assert!(link.symlink_metadata().unwrap().is_symlink());
    is_whole(&linked);
    // As a crash leaves it: nobody takes it for a data directory.
    std::fs::create_dir(linked.join(".restoring")).unwrap();
    let site = std::fs::read_to_string(at("site.toml")).unwrap();
    std::fs::write(at("site.toml"), format!("{site}[console]\nbind = \"127.0.0.1:0\"\n")).unwrap();
    for words in [&["restore", "--from", backup.to_str().unwrap()][..], &["run", "--config", at("site.toml").to_str().unwrap()]] {
        let said = refused(words, &[("--data", &linked)]);
        assert!(said.contains("cut short"), "{words:?}: {said}");
    }
    let mount = at("mount");
    let Some(_disk) = Disk::memory(&mount, "64m") else {
        loud(&format!("{test}: this user may not mount a file system"));
        return;
    };
    std::fs::create_dir(mount.join("lost+found")).unwrap();
    good(&["restore"], &[("--from", &backup), ("--data", &mount)]);
    is_whole(&mount);
}
