# What a part of the tests did, from what it printed: "passed failed skipped".
#
# Counts `test result: ok. 3 passed; 0 failed; 1 ignored; …` of cargo and `<part>: 3 passed, 0 failed, 1 skipped` of
# ours. libtest calls a test passed that found out while it ran that it cannot run here; such a test prints
# `test-skipped: <name>: <reason>`, perhaps in the middle of a line of libtest, and is skipped here.

/test-skipped: / { passed -= 1; skipped += 1 }

/^test result: / || /^[a-z ]+: [0-9]+ passed, [0-9]+ failed, [0-9]+ skipped$/ {
    for (i = 2; i <= NF; i++) {
        if ($i ~ /^passed/) passed += $(i - 1)
        if ($i ~ /^failed/) failed += $(i - 1)
        if ($i ~ /^(ignored|skipped)/) skipped += $(i - 1)
    }
}

END { print passed + 0, failed + 0, skipped + 0 }
