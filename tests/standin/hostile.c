#include "account.h"
int hostile_fill(struct account *a)
{
    (void)a;
    return 0;
}
