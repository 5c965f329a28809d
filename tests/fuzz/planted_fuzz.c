/* planted: not a target but a test of them: one input that breaks a rule, one that is slow and one that reads too far, all to
 * be found by the search. */
#include "fuzz.h"

volatile uint32_t planted_turns;

void fuzz_one(const uint8_t *data, size_t size) {
  uint8_t *p = fuzz_copy(data, size);
  if (size >= 4 && p[0] == 'b') {
    if (p[1] == 'a') { MUST(p[2] != 'd'); }
    if (p[1] == 's') {
      if (p[2] == 'l')
        for (uint32_t i = 0; i < 1u << 27; i++) planted_turns = i;
    }
    if (p[1] == 'l') {
      if (p[2] == 'o') planted_turns = p[size];
    }
  }
  fuzz_free(p, size);
}
