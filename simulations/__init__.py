"""Plants that do not exist, so that everything else can be tried on something that moves.

* `series`: recorded sensor series from CSV files. `machines`: synthetic machines. Both are a `PlantSource`.
* `plant`: publishes a source over real MQTT (QoS 1) at a chosen speed and counts what the broker took.
* `load`: the same traffic from prebuilt packets, for benchmarks and kill tests.
* `broker`: the embedded broker of the demo. `world`: the one place of chance, seeded.
"""
