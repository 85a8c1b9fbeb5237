//! Whether two paths of programs are similar (spec 2.4). Optional, as it is not transitive: what is similar to a tree
//! depends on what came into it first.

/// Segments that may differ.
const MAX_WILDCARDS: usize = 3;
/// Bytes that a differing segment of the candidate must have.
const MIN_SEGMENT: usize = 7;

/// Whether a candidate is the known path but for a few long segments in the middle.
#[must_use]
pub fn paths_match(known: &str, candidate: &str) -> bool {
    let (Some(known), Some(candidate)) = (known.strip_prefix('/'), candidate.strip_prefix('/')) else {
        return false;
    };
    let last = known.split('/').count() - 1;
    if candidate.split('/').count() - 1 != last {
        return false;
    }
    let mut wildcards = 0;
    for (at, (known, candidate)) in known.split('/').zip(candidate.split('/')).enumerate() {
        if known != candidate {
            wildcards += 1;
            if at == 0 || at == last || wildcards > MAX_WILDCARDS || candidate.len() < MIN_SEGMENT {
                return false;
            }
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_long_segments_in_the_middle_may_differ() {
        let check = |known, candidate, expect| {
            assert_eq!(paths_match(known, candidate), expect, "{known} {candidate}");
        };
        check("/var/run/1234567/x", "/var/run/abcdefgh/x", true);
        check("/var/run/1234567/x", "/var/run/abcdefg/x", true);
        check("/var/run/1234567/x", "/var/run/abcdef/x", false);
        check("/var/run/1234/x", "/var/run/5678/x", false);
        check("/var/run/1234/x", "/var/run/abcdefgh/x", true);
        check("/var/x", "/var/x", true);
        check("/var1234567/a/x", "/var7654321/a/x", false);
        check("/var/a/1234567", "/var/a/7654321", false);
        check("/a/0000001/0000002/0000003/x", "/a/1000001/1000002/1000003/x", true);
        check("/a/0000001/0000002/0000003/0000004/x", "/a/1000001/1000002/1000003/1000004/x", false);
        check("/a/b/x", "/a/b/c/x", false);
        check("a/0000001/x", "a/0000002/x", false);
        check("/a/0000001/x", "a/0000002/x", false);
    }
}
