#include "sensor/cpu_table.h"

#include <string.h>

/* Names first. The rows by family stand for the largest common server part of the generation:
 * cloud machines show a family and no name, and are shares of such sockets. Figures from the
 * makers' data sheets. */
static const jmi_cpu_row rows[] = {
    {"EPYC 7302", 0, 0, 0, 32, 155},
    {"EPYC 7402", 0, 0, 0, 48, 180},
    {"EPYC 7452", 0, 0, 0, 64, 155},
    {"EPYC 7502", 0, 0, 0, 64, 180},
    {"EPYC 7702", 0, 0, 0, 128, 200},
    {"EPYC 7742", 0, 0, 0, 128, 225},
    {"EPYC 7R32", 0, 0, 0, 96, 280},
    {"EPYC 7313", 0, 0, 0, 32, 155},
    {"EPYC 7413", 0, 0, 0, 48, 180},
    {"EPYC 7513", 0, 0, 0, 64, 200},
    {"EPYC 7543", 0, 0, 0, 64, 225},
    {"EPYC 7713", 0, 0, 0, 128, 225},
    {"EPYC 7763", 0, 0, 0, 128, 280},
    {"EPYC 7V12", 0, 0, 0, 128, 240},
    {"EPYC 7V13", 0, 0, 0, 128, 240},
    {"EPYC 7R13", 0, 0, 0, 96, 225},
    {"EPYC 8024P", 0, 0, 0, 16, 90},
    {"EPYC 9124", 0, 0, 0, 32, 200},
    {"EPYC 9224", 0, 0, 0, 48, 200},
    {"EPYC 9334", 0, 0, 0, 64, 210},
    {"EPYC 9354", 0, 0, 0, 64, 280},
    {"EPYC 9454", 0, 0, 0, 96, 290},
    {"EPYC 9534", 0, 0, 0, 128, 280},
    {"EPYC 9554", 0, 0, 0, 128, 360},
    {"EPYC 9654", 0, 0, 0, 192, 360},
    {"EPYC 9754", 0, 0, 0, 256, 360},
    {"Ryzen 5 5600", 0, 0, 0, 12, 65},
    {"Ryzen 7 5800X", 0, 0, 0, 16, 105},
    {"Ryzen 9 5900X", 0, 0, 0, 24, 105},
    {"Ryzen 9 5950X", 0, 0, 0, 32, 105},
    {"Ryzen 7 7700X", 0, 0, 0, 16, 105},
    {"Ryzen 9 7900X", 0, 0, 0, 24, 170},
    {"Ryzen 9 7950X", 0, 0, 0, 32, 170},
    {"Ryzen 9 9950X", 0, 0, 0, 32, 170},
    {"Threadripper PRO 5975WX", 0, 0, 0, 64, 280},
    {"Threadripper PRO 5995WX", 0, 0, 0, 128, 280},
    {"E3-1240 V2", 0, 0, 0, 8, 69},
    {"E5-2620 v4", 0, 0, 0, 16, 85},
    {"E5-2650 v4", 0, 0, 0, 24, 105},
    {"E5-2680 v4", 0, 0, 0, 28, 120},
    {"E5-2686 v4", 0, 0, 0, 36, 145},
    {"E5-2690 v4", 0, 0, 0, 28, 135},
    {"E5-2698 v4", 0, 0, 0, 40, 135},
    {"E5-2699 v4", 0, 0, 0, 44, 145},
    {"Silver 4210", 0, 0, 0, 20, 85},
    {"Silver 4214", 0, 0, 0, 24, 85},
    {"Silver 4310", 0, 0, 0, 24, 120},
    {"Silver 4314", 0, 0, 0, 32, 135},
    {"Gold 6130", 0, 0, 0, 32, 125},
    {"Gold 6148", 0, 0, 0, 40, 150},
    {"Gold 6230", 0, 0, 0, 40, 125},
    {"Gold 6248", 0, 0, 0, 40, 150},
    {"Gold 6226R", 0, 0, 0, 32, 150},
    {"Gold 6330", 0, 0, 0, 56, 205},
    {"Gold 6338", 0, 0, 0, 64, 205},
    {"Gold 6348", 0, 0, 0, 56, 235},
    {"Gold 6430", 0, 0, 0, 64, 270},
    {"Platinum 8168", 0, 0, 0, 48, 205},
    {"Platinum 8175M", 0, 0, 0, 48, 240},
    {"Platinum 8180", 0, 0, 0, 56, 205},
    {"Platinum 8259CL", 0, 0, 0, 48, 210},
    {"Platinum 8275CL", 0, 0, 0, 48, 240},
    {"Platinum 8280", 0, 0, 0, 56, 205},
    {"Platinum 8358", 0, 0, 0, 64, 250},
    {"Platinum 8375C", 0, 0, 0, 64, 300},
    {"Platinum 8380", 0, 0, 0, 80, 270},
    {"Platinum 8468", 0, 0, 0, 96, 350},
    {"Platinum 8480", 0, 0, 0, 112, 350},
    {"Platinum 8488C", 0, 0, 0, 96, 385},
    {"Platinum 8558", 0, 0, 0, 96, 330},
    {"Platinum 8592", 0, 0, 0, 128, 350},
    {"i5-8250U", 0, 0, 0, 8, 15},
    {"i7-8700", 0, 0, 0, 12, 65},
    {"i7-9700K", 0, 0, 0, 8, 95},
    {"i9-9900K", 0, 0, 0, 16, 95},
    {"i7-10700", 0, 0, 0, 16, 65},
    {"i9-10900K", 0, 0, 0, 20, 125},
    {"i7-11700K", 0, 0, 0, 16, 125},
    {"i5-12600K", 0, 0, 0, 16, 125},
    {"i7-12700K", 0, 0, 0, 20, 125},
    {"i9-12900K", 0, 0, 0, 24, 125},
    {"i7-13700K", 0, 0, 0, 24, 125},
    {"i9-13900K", 0, 0, 0, 32, 125},
    {"i9-14900K", 0, 0, 0, 32, 125},
    /* By family and model. */
    {"EPYC", 23, 0x00, 0x0f, 64, 180},
    {"EPYC", 23, 0x30, 0x3f, 128, 225},
    {"EPYC", 25, 0x00, 0x0f, 128, 280},
    {"EPYC", 25, 0x10, 0x1f, 192, 360},
    {"EPYC", 25, 0xa0, 0xaf, 256, 360},
    {"EPYC", 26, 0x00, 0x0f, 256, 500},
    {"EPYC", 26, 0x10, 0x1f, 384, 500},
    {"Xeon", 6, 79, 79, 44, 145},
    {"Xeon", 6, 85, 85, 56, 205},
    {"Xeon", 6, 106, 106, 80, 270},
    {"Xeon", 6, 143, 143, 112, 350},
    {"Xeon", 6, 207, 207, 128, 350},
    {"Xeon", 6, 173, 173, 256, 500},
};

static bool ends_number(char c) {
    return c < '0' || c > '9';
}

static bool fits(const jmi_cpu_row *row, const jmi_cpu_info *info) {
    const char *found = strcasestr(info->model, row->name);
    if (found == NULL || !ends_number(found[strlen(row->name)])) return false;
    if (row->family == 0) return true;
    return row->family == info->family && info->model_number >= row->model_first &&
           info->model_number <= row->model_last;
}

const jmi_cpu_row *jmi_cpu_table_find(const jmi_cpu_info *info) {
    for (size_t i = 0; i < JMI_COUNT(rows); i++)
        if (fits(&rows[i], info)) return &rows[i];
    return NULL;
}
