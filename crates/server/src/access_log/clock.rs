//! Local time as logs write it.
//!
//! The offset from UTC is the system's (`TZ`, `/etc/localtime`), read by `jiff` from the time zone database:
//! the C library's `localtime` reads the environment, which another thread may change at the time.

use std::cell::RefCell;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use jiff::tz::TimeZone;

const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// One second, written.
#[derive(Default)]
struct Second {
    number: Option<u64>,
    common: String,
    date: String,
    offset: String,
}

/// `[10/Oct/2000:13:55:36 -0700]`.
pub(super) fn common(out: &mut Vec<u8>, time: SystemTime) {
    with_second(time, |second, _| {
        out.extend_from_slice(second.common.as_bytes());
    });
}

/// RFC 3339 with milliseconds: `2000-10-10T13:55:36.123-07:00`.
pub(super) fn rfc3339(out: &mut Vec<u8>, time: SystemTime) {
    with_second(time, |second, millis| {
        out.extend_from_slice(second.date.as_bytes());
        let digit = |n: u32| b'0' + (n % 10) as u8;
        out.extend_from_slice(&[b'.', digit(millis / 100), digit(millis / 10), digit(millis)]);
        out.extend_from_slice(second.offset.as_bytes());
    });
}

/// A second is written once for a thread: the requests within it only copy.
fn with_second(time: SystemTime, f: impl FnOnce(&Second, u32)) {
    thread_local! {
        static LAST: RefCell<Second> = RefCell::default();
    }
    let since = time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    // Fails on a thread that is at its end, where no line is written either.
    let _ = LAST.try_with(|last| {
        let last = &mut *last.borrow_mut();
        if last.number != Some(since.as_secs()) {
            *last = write(since.as_secs());
        }
        f(last, since.subsec_millis());
    });
}

fn write(number: u64) -> Second {
    // A clock past the year 9999 shows 1970, as one before 1970 does.
    let stamp = i64::try_from(number)
        .ok()
        .and_then(|n| Timestamp::from_second(n).ok())
        .unwrap_or_default();
    let offset = TimeZone::system().to_offset(stamp);
    let local = offset.to_datetime(stamp);
    let (sign, off) = match offset.seconds() {
        seconds @ ..0 => ('-', -seconds),
        seconds => ('+', seconds),
    };
    let (hours, minutes) = (off / 3600, off / 60 % 60);
    let month = MONTHS[usize::try_from(local.month() - 1).unwrap_or(0)];
    let (year, day) = (local.year(), local.day());
    let (h, m, s) = (local.hour(), local.minute(), local.second());
    Second {
        number: Some(number),
        common: format!(
            "[{day:02}/{month}/{year:04}:{h:02}:{m:02}:{s:02} {sign}{hours:02}{minutes:02}]"
        ),
        date: format!(
            "{year:04}-{:02}-{day:02}T{h:02}:{m:02}:{s:02}",
            local.month()
        ),
        offset: format!("{sign}{hours:02}:{minutes:02}"),
    }
}
