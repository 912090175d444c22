/* SPDX-License-Identifier: MIT */
#include "picture.h"

#include <gd.h>
#include <gdfontg.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "hash.h"

struct colour {
    int r, g, b;
};

/* A hue of 0…359 at full strength, mixed with black or white. */
static struct colour colour(int hue, double light)
{
    double part = hue % 60 / 60.0;
    double up = part, down = 1 - part;
    double table[6][3] = {{1, up, 0},   {down, 1, 0}, {0, 1, up},
                          {0, down, 1}, {up, 0, 1},   {1, 0, down}};
    double *c = table[hue / 60 % 6];
    double out[3];
    for (int i = 0; i < 3; i++)
        out[i] = light < 0.5 ? c[i] * light * 2
                             : c[i] + (1 - c[i]) * (light - 0.5) * 2;
    return (struct colour){(int)(out[0] * 255), (int)(out[1] * 255),
                           (int)(out[2] * 255)};
}

static void draw_sky(gdImagePtr im, int hue)
{
    struct colour top = colour(hue, 0.28), low = colour(hue + 40, 0.72);
    for (int y = 0; y < im->sy; y++) {
        int s = y * 256 / im->sy;
        int c = gdTrueColor(top.r + (low.r - top.r) * s / 256,
                            top.g + (low.g - top.g) * s / 256,
                            top.b + (low.b - top.b) * s / 256);
        gdImageLine(im, 0, y, im->sx - 1, y, c);
    }
}

static void draw_hills(gdImagePtr im, uint64_t noise, int hue)
{
    for (int layer = 0; layer < 3; layer++) {
        struct colour c = colour(hue + 180 + layer * 20, 0.42 - layer * 0.1);
        double phase = (double)(noise >> (layer * 8) & 255) / 40;
        double width = 60 + (double)(noise >> (layer * 7 + 20) & 63);
        int base = im->sy * (55 + layer * 13) / 100;
        for (int x = 0; x < im->sx; x++) {
            double wave = sin(x / width + phase) + sin(x / 31.0 + phase) / 3;
            int y = base - (int)(wave * im->sy / 14);
            gdImageLine(im, x, y, x, im->sy - 1, gdTrueColor(c.r, c.g, c.b));
        }
    }
}

static void draw_caption(gdImagePtr im, const char *caption)
{
    gdFontPtr font = gdFontGetGiant();
    char line[48] = "";
    size_t n = 0, most = (size_t)(im->sx / font->w - 2);
    if (most >= sizeof(line))
        most = sizeof(line) - 1;
    for (const unsigned char *p = (const unsigned char *)caption;
         *p && n < most; p++)
        if ((*p & 0xc0) != 0x80) /* one mark per code point */
            line[n++] = *p >= 0x20 && *p < 0x7f ? (char)*p : '?';
    gdImageFilledRectangle(im, 0, im->sy - font->h - 8, im->sx - 1, im->sy - 1,
                           gdTrueColorAlpha(0, 0, 0, 50));
    gdImageString(im, font, font->w, im->sy - font->h - 4,
                  (unsigned char *)line, gdTrueColor(255, 255, 255));
}

static void *encode(gdImagePtr im, enum picture_format format, int *ret_size,
                    const char **ret_type)
{
    switch (format) {
    case PICTURE_PNG:
        *ret_type = "image/png";
        return gdImagePngPtr(im, ret_size);
    case PICTURE_WEBP:
        *ret_type = "image/webp";
        return gdImageWebpPtrEx(im, ret_size, 80);
    case PICTURE_JPEG:
        break;
    }
    *ret_type = "image/jpeg";
    return gdImageJpegPtr(im, ret_size, 85);
}

const char *picture_draw(const char *id, const char *caption,
                         enum picture_format format, struct buf *out)
{
    static const int sizes[][2] = {
        {320, 180}, {480, 270}, {640, 360}, {320, 240}, {360, 480}};
    uint64_t noise = hash_bytes(id, strlen(id), 12);
    const int *size = sizes[noise % 5];
    int hue = (int)((noise >> 8) % 360);
    const char *type = "image/jpeg";
    gdImagePtr im = gdImageCreateTrueColor(size[0], size[1]);
    if (!im) {
        out->failed = true;
        return type;
    }
    draw_sky(im, hue);
    struct colour sun = colour(hue + 60, 0.85);
    int sun_x = (int)((noise >> 17) % (uint64_t)size[0]);
    int sun_y = size[1] / 5 + (int)((noise >> 27) % (uint64_t)(size[1] / 4));
    gdImageFilledEllipse(im, sun_x, sun_y, size[1] / 4, size[1] / 4,
                         gdTrueColor(sun.r, sun.g, sun.b));
    draw_hills(im, noise >> 3, hue);
    draw_caption(im, caption);
    int bytes = 0;
    void *data = encode(im, format, &bytes, &type);
    if (data)
        buf_add(out, data, (size_t)bytes);
    else
        out->failed = true;
    gdFree(data);
    gdImageDestroy(im);
    return type;
}
