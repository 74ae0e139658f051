/* Between main.c, which runs the cases, and check.c, which writes their failures down. */
#ifndef REPORT_H
#define REPORT_H

/* A case begins: nothing has failed yet. */
void report_begin(void);
/* How many checks failed since then; `first` is the first of them, in words. */
int report_failures(const char **first);
/* Why the case was skipped, or NULL. */
const char *report_skipped(void);
/* What scaled() multiplies by. */
void report_scale(double factor);

#endif
