/* What the tests of limits include, in the order that cmocka wants. */
#ifndef TEST_LIMIT_CHECK_H
#define TEST_LIMIT_CHECK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#endif
