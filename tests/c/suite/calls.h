/* Every function that takes an exchange, each with arguments that are right. */
#ifndef CALLS_H
#define CALLS_H

#include "check.h"

struct exchange_call {
    const char *name;
    oxb_status (*run)(oxb_exchange exchange);
};

/* Ends with a NULL name. None of them changes anything where the handle is refused. */
extern const struct exchange_call exchange_calls[];

/* Each of them must answer `wanted`. */
void check_all_calls(oxb_exchange exchange, oxb_status wanted);

#endif
