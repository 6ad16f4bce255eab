-- grain: generation and a catalogue that some file of the decision log names as its own.
select distinct generation, catalogue from segment_catalogues where source = $source
