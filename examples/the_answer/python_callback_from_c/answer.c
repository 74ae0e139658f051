#include <stddef.h>
#include <stdint.h>

/* Answers a question; -1 if it cannot. */
typedef int32_t oracle_fn(int32_t question);

static oracle_fn *the_oracle;

/* The oracle stays here, and must live, until another one is set, or NULL. */
void set_oracle(oracle_fn *oracle)
{
    the_oracle = oracle;
}

/* What the oracle answers; -1 where there is none. It is called on the thread that asks. */
int32_t ask(int32_t question)
{
    return the_oracle == NULL ? -1 : the_oracle(question);
}
