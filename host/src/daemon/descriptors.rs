//! How many files and connections the process may have open. Must not know: what they are used for.

/// What every part together needs, with room to spare.
const ENOUGH: u64 = 1_024;

/// Asks for as many as the system allows, and says where that may be too few.
pub fn raise() {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: both calls read or write the one struct they are given, which outlives them.
    let raised = unsafe {
        libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) == 0 && {
            limit.rlim_cur = limit.rlim_max;
            libc::setrlimit(libc::RLIMIT_NOFILE, &limit) == 0
        }
    };
    if !raised {
        tracing::warn!("the limit of open files could not be raised: {}", std::io::Error::last_os_error());
    } else if limit.rlim_cur < ENOUGH {
        let remedy = "raise LimitNOFILE of the service, or `ulimit -n`";
        tracing::warn!("only {} files and connections may be open; at least {ENOUGH} are needed: {remedy}", limit.rlim_cur);
    }
}
