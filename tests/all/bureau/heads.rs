//! Heads of the plants' chains at the bureau: which it keeps, and that they are what the plants' journals hold. Must not know: what is reported.

use super::{Bureau, Plant, WALL};
use crate::site::request;

/// A head that the plant's key did not sign is not kept, nor one over the line of somebody else.
pub fn are_refused(bureau: &Bureau, plants: &[Plant]) {
    let link = "a".repeat(64);
    let head = format!("{{\"site\":\"a\",\"segment\":1,\"seq\":9,\"link\":\"{link}\",\"at\":1}}");
    let post = |token: &str, body: &str| request(bureau.port, "POST", "/api/v1/anchor", token, "application/json", body).unwrap();
    let unsigned = post(&plants[0].token, &head);
    assert!(unsigned.0 == 403 && unsigned.1.contains("not signed, and the key of this plant is"), "{unsigned:?}");
    let other = head.replace("}", ",\"key\":\"ed25519:00\",\"signature\":\"00\"}");
    let forged = post(&plants[0].token, &other);
    assert!(forged.0 == 403 && forged.1.contains("the signature does not fit"), "{forged:?}");
    assert_eq!(post(&plants[2].token, "{}").0, 422, "no head at all");
    let odd = post(&plants[2].token, &head.replace("aaaa", "\\u001b["));
    assert!(odd.0 == 422 && odd.1.contains("is no head of a chain"), "{odd:?}");
    assert_eq!(post(WALL, &head).0, 403, "a screen is no plant");
}

/// What the bureau kept of each plant's chain is what the plant's journal holds; and only of that plant.
pub fn are_kept(bureau: &Bureau, plants: &[Plant]) -> usize {
    let run =
        |arguments: &[&str]| std::process::Command::new(env!("CARGO_BIN_EXE_safety-brain")).args(arguments).output().unwrap();
    let (desk, file) = (bureau.data.to_str().unwrap(), bureau.data.with_file_name("heads.jsonl"));
    let exported = String::from_utf8(run(&["journal", "export", "--data", desk]).stdout).unwrap();
    let mut count = 0;
    for plant in plants {
        let by_itself = format!("\"event\":\"anchored\",\"plant\":\"{}\"", plant.name);
        assert!(exported.contains(&by_itself), "no head of {} came by itself", plant.name);
        let printed = run(&["journal", "anchor", "--data", desk, "--plant", plant.name]);
        assert!(printed.status.success(), "{printed:?}");
        count += printed.stdout.iter().filter(|byte| **byte == b'\n').count();
        std::fs::write(&file, &printed.stdout).unwrap();
        for other in plants {
            let data = other.data.to_str().unwrap();
            let verified = run(&["journal", "verify", "--data", data, "--anchor", file.to_str().unwrap()]);
            assert_eq!(
                verified.status.success(),
                other.name == plant.name,
                "{} against {}: {verified:?}",
                other.name,
                plant.name
            );
        }
    }
    let nobody = run(&["journal", "anchor", "--data", desk, "--plant", "d"]);
    let said = String::from_utf8_lossy(&nobody.stderr).into_owned();
    assert!(!nobody.status.success() && said.contains("no head of a plant d") && said.contains("a, b, c"), "{said}");
    count
}
