/* Units of an intensity: mass of CO2 over energy, in any order of magnitude. */
#ifndef JMI_CARBON_UNITS_H
#define JMI_CARBON_UNITS_H

/* Grams a kWh of one of the unit that a column's name has in it, "CO2 intensity (t/MWh)"; 1 where
 * it has none; 0: one that is not known, or that is none of an intensity, "CO2 (t)". */
double jmi_unit_in_name(const char *name);

/* Likewise where the text is the unit and nothing else: "", "g", "kg CO2e / kWh", "lb/MWh". A mass
 * alone is one of a kWh. 0: it is none. */
double jmi_unit_of_text(const char *text);

#endif
