"""What Interactive Brokers sends, as it sends it: frozen structs, one file per family of payloads.

Rules of this folder, from the recorded answers and the reference (a recording beats the reference):

- A conid is an int in most answers and a text in others: `Conid`.
- A number may be a JSON number or a text (`""`, `"N/A"`, `"1,300"`, `"1.02"`): `Number`. Text stays text here and a
  JSON number becomes the float with the same shortest text, so no digit is lost; `mapping` makes Decimals of both.
- A key that the venue leaves out is None. Only what identifies a row is required, so that an empty object is never
  taken for a row.
- Keys that nobody here needs are ignored; `tests/wire` lists them, to show when the wire grew.
"""
