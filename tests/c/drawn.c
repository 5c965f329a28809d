#include "drawn.h"

#include <stddef.h>
#include <string.h>

enum { SIDE = 512 };

static uint32_t seed = 1;
static uint32_t below(uint32_t n) { return seed = seed * 1664525u + 1013904223u, (seed >> 8) % n; }

void drawn_begin(void) { seed = 1; }

void drawn_picture(uint8_t *p, uint32_t w, uint32_t h, int n) {
  static uint8_t noise[1 << 16];
  if (!noise[0])
    for (size_t i = 0; i < sizeof noise; i++) noise[i] = (uint8_t)(1 + below(25));
  for (uint32_t y = 0; y < h; y++) {
    uint32_t ty = y * DRAWN_H / h + (uint32_t)n * 2, from = below(1 << 15), step = DRAWN_W * 256 / w, tx = (uint32_t)n * 3 * 256;
    for (uint32_t x = 0; x < w; x++, tx += step) {
      uint32_t block = ((tx >> 12) * 2654435761u ^ (ty >> 4) * 40503u) >> 7;
      p[y * w + x] = (uint8_t)(60 + (block & 31) + ((tx >> 8) + ty) % SIDE / 8 + noise[from + x]);
    }
  }
  memset(p + w * h, 128, (size_t)w * h / 2);
}
