#include "use_header.h"

int main(void) {
    return use_header();
}
