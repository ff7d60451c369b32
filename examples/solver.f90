! Ranges of a Fortran program. By itself it measures; within `joulemeter run` its ranges become part of
! that recording.
!
!     gfortran joulemeter.f90 solver.f90 -ljoulemeter
program solver
    use joulemeter
    use, intrinsic :: iso_c_binding
    implicit none
    type(jm_session) :: session
    integer(jm_range) :: whole, step
    integer :: i
    real(c_double) :: joules, u95

    if (jm_open(session) /= 0) stop "joulemeter cannot measure here"
    whole = jm_begin(session, "solve", JM_PHASE)
    do i = 1, 3
        step = jm_begin(session, "step")
        call work(0.1d0)
        call jm_end(session, step)
    end do
    call jm_end(session, whole)
    call jm_mark(session, "solved")
    joules = jm_energy_j(session, whole, u95)
    if (joules >= 0) print '(a, f0.1, a, f0.1, a)', "solve: ", joules, " J +- ", u95, " J"
    call jm_close(session)

contains

    subroutine work(seconds)
        real(c_double), intent(in) :: seconds
        integer(c_int64_t) :: begin, now, rate
        real(c_double) :: x
        x = 0
        call system_clock(begin, rate)
        do
            x = x + sqrt(x + 1)
            call system_clock(now)
            if (real(now - begin, c_double) > seconds * real(rate, c_double)) exit
        end do
        if (x < 0) print *, x
    end subroutine
end program
