"""The C code that goes over a mesh with the kernels of FFCx: one form's integrals, added to vectors and matrices."""

LOOPS = r"""
#include <string.h>

static const ufcx_form* pdemill_form(int form) { return *pdemill_forms[form]; }

int pdemill_integrals(int form, int type)
{
  const ufcx_form* f = pdemill_form(form);
  return f->form_integral_offsets[type + 1] - f->form_integral_offsets[type];
}

int pdemill_side(int form, int type, int number)
{
  const ufcx_form* f = pdemill_form(form);
  return f->form_integral_ids[f->form_integral_offsets[type] + number];
}

int pdemill_coefficients(int form, int* positions)
{
  const ufcx_form* f = pdemill_form(form);
  for (int i = 0; i < f->num_coefficients; ++i)
    positions[i] = f->original_coefficient_positions[i];
  return f->num_coefficients;
}

static ufcx_tabulate_tensor_float64* pdemill_kernel(int form, int type, int number)
{
  const ufcx_form* f = pdemill_form(form);
  return f->form_integrals[f->form_integral_offsets[type] + number]->tabulate_tensor_float64;
}

void pdemill_vector(int form, int type, int number, long count, const int* cells, const int* facets, const double* x,
                    int nx, const double* w, int nw, const double* c, const int* dofs, int n, double* out)
{
  ufcx_tabulate_tensor_float64* kernel = pdemill_kernel(form, type, number);
  double a[n];
  for (long i = 0; i < count; ++i) {
    const long cell = cells[i];
    memset(a, 0, sizeof a);
    kernel(a, w + cell * nw, c, x + cell * nx, facets + i, NULL, NULL);
    for (int j = 0; j < n; ++j)
      out[dofs[cell * n + j]] += a[j];
  }
}

void pdemill_matrix(int form, int type, int number, long count, const int* cells, const int* facets, const double* x,
                    int nx, const double* w, int nw, const double* c, const int* places, int n, double* out)
{
  ufcx_tabulate_tensor_float64* kernel = pdemill_kernel(form, type, number);
  double a[n * n];
  for (long i = 0; i < count; ++i) {
    const long cell = cells[i];
    memset(a, 0, sizeof a);
    kernel(a, w + cell * nw, c, x + cell * nx, facets + i, NULL, NULL);
    const int* place = places + cell * n * n;
    for (int j = 0; j < n * n; ++j)
      if (place[j] >= 0)
        out[place[j]] += a[j];
  }
}
"""
"""``pdemill_forms`` are the residual (0), its derivative (1), and outputs (2, ...). ``type``: 0 cells, 1 facets on the
boundary; ``number``: of the integral. ``x`` [cells, nx] corners, ``w`` [cells, nw] coefficients, ``c`` constants,
``dofs`` [cells, n] where entries of a vector belong, ``places`` [cells, n, n] where those of a matrix do, -1 for
nowhere."""
