! joulemeter.f90 - joulemeter.h for Fortran 2003 and later: compile this file with your program.
!
!     use joulemeter
!     type(jm_session) :: session
!     integer(jm_range) :: solve
!     integer :: status
!     status = jm_open(session)                  ! or that of an outer `joulemeter run`
!     solve = jm_begin(session, "solve", JM_PHASE)
!     call work()
!     call jm_end(session, solve)
!     call jm_close(session)
!
!     gfortran joulemeter.f90 solver.f90 -ljoulemeter
!
! What is not here is called as it is in joulemeter.h, by bind(c); session%handle is the jm_session *.
module joulemeter
    use, intrinsic :: iso_c_binding
    implicit none
    private
    public :: jm_session, jm_range, jm_open, jm_begin, jm_end, jm_mark, jm_energy_j, jm_close
    public :: JM_USER, JM_PHASE, JM_EPOCH, JM_BATCH, JM_WARMUP, JM_LAYER

    ! Kind of the number of a range; 0 is none.
    integer, parameter :: jm_range = c_int64_t

    ! Categories, as in joulemeter.h.
    integer(c_int), parameter :: JM_USER = 0, JM_PHASE = 2, JM_EPOCH = 3, JM_BATCH = 4
    integer(c_int), parameter :: JM_WARMUP = 5, JM_LAYER = 6

    type :: jm_session
        type(c_ptr) :: handle = c_null_ptr
    end type

    ! struct jm_energy
    type, bind(c) :: energy
        real(c_double) :: energy_j, u95_j, u_random_j, u_systematic_j, lower_j, upper_j
        real(c_double) :: duration_s, mean_power_w, measured
        integer(c_int32_t) :: provenance, flags
        real(c_double) :: reserved(2)
    end type

    interface
        integer(c_int) function c_open(session, options, error) bind(c, name="jm_session_open")
            import :: c_int, c_ptr
            type(c_ptr), intent(out) :: session
            type(c_ptr), value :: options, error
        end function
        integer(c_int) function c_close(session, recording, error) bind(c, name="jm_session_close")
            import :: c_int, c_ptr
            type(c_ptr), value :: session, recording, error
        end function
        integer(c_int64_t) function c_begin(session, category, name, attributes) &
            bind(c, name="jm_begin_as")
            import :: c_int, c_int64_t, c_ptr, c_char
            type(c_ptr), value :: session, attributes
            integer(c_int), value :: category
            character(kind=c_char), intent(in) :: name(*)
        end function
        subroutine c_end(session, range) bind(c, name="jm_end")
            import :: c_int64_t, c_ptr
            type(c_ptr), value :: session
            integer(c_int64_t), value :: range
        end subroutine
        subroutine c_mark(session, name, attributes) bind(c, name="jm_mark")
            import :: c_ptr, c_char
            type(c_ptr), value :: session, attributes
            character(kind=c_char), intent(in) :: name(*)
        end subroutine
        integer(c_int) function c_energy(session, range, device, options, out, error) &
            bind(c, name="jm_range_energy")
            import :: c_int, c_int32_t, c_int64_t, c_ptr, energy
            type(c_ptr), value :: session, options, error
            integer(c_int64_t), value :: range
            integer(c_int32_t), value :: device
            type(energy), intent(out) :: out
        end function
    end interface

contains

    ! 0 if all went well, else a jm_status. A session that is not open takes every call and does
    ! nothing.
    integer function jm_open(session)
        type(jm_session), intent(out) :: session
        jm_open = c_open(session%handle, c_null_ptr, c_null_ptr)
    end function

    subroutine jm_close(session)
        type(jm_session), intent(inout) :: session
        integer(c_int) :: status
        status = c_close(session%handle, c_null_ptr, c_null_ptr)
        session%handle = c_null_ptr
    end subroutine

    integer(jm_range) function jm_begin(session, name, category)
        type(jm_session), intent(in) :: session
        character(*), intent(in) :: name
        integer(c_int), intent(in), optional :: category
        integer(c_int) :: wanted
        wanted = JM_USER
        if (present(category)) wanted = category
        jm_begin = c_begin(session%handle, wanted, trim(name) // c_null_char, c_null_ptr)
    end function

    subroutine jm_end(session, range)
        type(jm_session), intent(in) :: session
        integer(jm_range), intent(in) :: range
        call c_end(session%handle, range)
    end subroutine

    subroutine jm_mark(session, name)
        type(jm_session), intent(in) :: session
        character(*), intent(in) :: name
        call c_mark(session%handle, trim(name) // c_null_char, c_null_ptr)
    end subroutine

    ! Energy of a range on all devices, J, and its 95 % uncertainty; negative: it is not known.
    real(c_double) function jm_energy_j(session, range, u95_j)
        type(jm_session), intent(in) :: session
        integer(jm_range), intent(in) :: range
        real(c_double), intent(out), optional :: u95_j
        integer(c_int32_t), parameter :: total = -1
        type(energy) :: e
        jm_energy_j = -1
        if (present(u95_j)) u95_j = 0
        if (c_energy(session%handle, range, total, c_null_ptr, e, c_null_ptr) /= 0) return
        jm_energy_j = e%energy_j
        if (present(u95_j)) u95_j = e%u95_j
    end function
end module
