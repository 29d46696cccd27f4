//! The formats of strings that kube-apiserver checks; others are only documentation, for it and for us.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use base64::Engine;

/// Whether a string is of a format.
pub fn fits(format: &str, text: &str) -> bool {
    match format {
        "date-time" => text.parse::<jiff::Timestamp>().is_ok(),
        "date" => text.parse::<jiff::civil::Date>().is_ok(),
        "duration" => duration(text),
        "ipv4" => text.parse::<Ipv4Addr>().is_ok(),
        "ipv6" => text.parse::<Ipv6Addr>().is_ok(),
        "ip" => text.parse::<IpAddr>().is_ok(),
        "cidr" => cidr(text),
        "uuid" => uuid::Uuid::try_parse(text).is_ok(),
        "byte" => base64::engine::general_purpose::STANDARD.decode(text).is_ok(),
        "uri" => text.parse::<http::Uri>().is_ok_and(|uri| uri.scheme().is_some() || text.starts_with('/')),
        "hostname" => hostname(text),
        "mac" => {
            let parts: Vec<&str> = text.split([':', '-']).collect();
            parts.len() == 6 && parts.iter().all(|p| p.len() == 2 && p.bytes().all(|b| b.is_ascii_hexdigit()))
        }
        _ => true,
    }
}

fn cidr(text: &str) -> bool {
    let Some((address, bits)) = text.split_once('/') else { return false };
    let most = match address.parse() {
        Ok(IpAddr::V4(_)) => 32,
        Ok(IpAddr::V6(_)) => 128,
        Err(_) => return false,
    };
    bits.parse::<u8>().is_ok_and(|bits| bits <= most)
}

fn hostname(text: &str) -> bool {
    let label = |l: &str| {
        !l.is_empty()
            && l.len() <= 63
            && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !l.starts_with('-')
            && !l.ends_with('-')
    };
    text.len() <= 253 && text.trim_end_matches('.').split('.').all(label)
}

/// A duration of Go: `1h30m`, `250ms`.
fn duration(text: &str) -> bool {
    let mut rest = text.strip_prefix(['-', '+']).unwrap_or(text);
    if rest == "0" {
        return true;
    }
    let units = ["ns", "us", "µs", "ms", "s", "m", "h", "d", "w"];
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(|b| b.is_ascii_digit() || *b == b'.').count();
        if digits == 0 {
            return false;
        }
        rest = &rest[digits..];
        let Some(unit) = units.iter().filter(|u| rest.starts_with(**u)).max_by_key(|u| u.len()) else { return false };
        rest = &rest[unit.len()..];
    }
    !text.is_empty()
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn formats_that_are_checked() {
        let check = |format: &str, good: &str, bad: &str| {
            good.split_whitespace().for_each(|text| assert!(fits(format, text), "{format} takes {text}"));
            bad.split_whitespace().for_each(|text| assert!(!fits(format, text), "{format} refuses {text}"));
        };
        check("date-time", "2026-11-21T12:00:00Z 2026-11-21T12:00:00.5+02:00", "2026-11-21 yesterday");
        check("date", "2026-11-21", "2026-13-01");
        check("duration", "1h30m 250ms 0 1.5h", "1 h 5parsecs");
        check("ipv4", "10.0.0.1", "10.0.0 ::1");
        check("cidr", "10.0.0.0/8 fd00::/64", "10.0.0.0 10.0.0.0/33");
        check("uuid", "67e55044-10b1-426f-9247-bb680e5fe0c8", "67e55044");
        check("byte", "YQ==", "%%%");
        check("hostname", "a.example b-1", "-a a_b a..b");
        check("mac", "00:11:22:33:44:55", "00:11");
        check("made-up", "anything", "");
    }
}
