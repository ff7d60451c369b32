/* Serves borrowers over sockets: a guard one, joulemeter-limitd many. */
#ifndef JMI_LIMIT_SERVER_H
#define JMI_LIMIT_SERVER_H

#include "limit/lender.h"

typedef struct jmi_server_options {
    const jmi_rules *rules; /* NULL: for a guard */
    int listen_fd;          /* whose connections are served; -1: none */
    int stop_fd;            /* readable when it is time to end; -1: none */
    int borrower_fd;        /* of a guard: a connection that is there already; -1: none */
    int borrower_pidfd;     /* and the process at its other end, or -1 */
    int32_t borrower_pid;
    bool hold; /* its loans end with the process, not with the connection */
    /* May this user ask? NULL: everybody may. */
    bool (*admits)(int fd, uint32_t uid, void *user);
    void (*log)(const char *line, void *user);
    void *user;
} jmi_server_options;

/* Returns when there is nothing left to do: of a guard, when its borrower has ended and everything
 * is given back; else when stop_fd says so. JM_HUNG: the driver does not answer, and another
 * process has to go on; the notes say with what. */
int jmi_server_run(const jmi_server_options *options, jm_error *error);

#endif
