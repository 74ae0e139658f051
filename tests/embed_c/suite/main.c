/* Runs all cases, or those whose names begin with an argument; says in TAP how each went. */
#include "check.h"

#include <stdio.h>

#define GROUPS(each)                                                                               \
    each(version) each(signals) each(options) each(start) each(request) each(response)             \
        each(error) each(callback) each(stop) each(nulls) each(fork) each(finish)

#define DECLARE(group) extern const struct test_case group##_cases[];
GROUPS(DECLARE)

#define LIST(group) group##_cases,
static const struct test_case *const groups[] = {GROUPS(LIST)};

int main(int count, char **names) {
    int ran = 0;
    int bad = 0;
    size_t i;

    setvbuf(stdout, NULL, _IOLBF, 0);
    for (i = 0; i < sizeof groups / sizeof groups[0]; i++) {
        const struct test_case *it;

        for (it = groups[i]; it->name != NULL; it++) {
            if (count > 1 && strncmp(it->name, names[1], strlen(names[1])) != 0) {
                continue;
            }
            forget_failed_checks();
            it->run();
            bad += failed_checks() != 0;
            printf("%sok %d - %s\n", failed_checks() != 0 ? "not " : "", ++ran, it->name);
        }
    }
    printf("1..%d\n", ran);
    return bad != 0 || ran == 0;
}
