/* drawn: pictures for encoders, the same in each run. */
#ifndef RTC_TESTS_DRAWN_H
#define RTC_TESTS_DRAWN_H

#include <stdint.h>

enum { DRAWN_W = 640, DRAWN_H = 360 };

void drawn_begin(void);
/* I420: blocks and slopes that move, under noise, so that no frame is cheap; number n of them, scaled from 640 x 360. Even sides. */
void drawn_picture(uint8_t *p, uint32_t w, uint32_t h, int n);

#endif
