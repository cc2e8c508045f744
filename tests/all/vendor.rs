//! The console's libraries are what their manifest says: no file changed by hand, none without a licence.

use crate::process::root;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;

#[test]
fn vendor_files_are_those_of_the_manifest() {
    let folder = root().join("host/web/vendor");
    let manifest = std::fs::read_to_string(folder.join("manifest.toml")).unwrap();
    let field = |entry: &str, key: &str| {
        entry.split(&format!("\n{key} = \"")).nth(1).and_then(|rest| rest.split('"').next()).map(str::to_owned).unwrap()
    };
    let mut known = BTreeSet::new();
    for entry in manifest.split("[[file]]").skip(1) {
        let name = field(entry, "name");
        let stored: String =
            Sha256::digest(std::fs::read(folder.join(&name)).unwrap()).iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(stored, field(entry, "stored_sha256"), "{name} is not the file the manifest names");
        assert!(folder.join(format!("{}.LICENSE", field(entry, "package"))).exists(), "{name} has no licence text beside it");
        known.insert(name);
    }
    let scripts =
        std::fs::read_dir(&folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).filter(|n| n.ends_with(".js"));
    let unknown: Vec<String> = scripts.filter(|name| !known.contains(name)).collect();
    assert!(unknown.is_empty() && !known.is_empty(), "not in the manifest: {unknown:?}");
}
