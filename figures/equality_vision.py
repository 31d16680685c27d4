"""Same or different in images: accuracy on unseen random patches against how many were seen, rich and lazy networks."""

import jax
import numpy as np
from equality_common import COLOURS, plt, save

from theorylab.systems.equality_reasoning.simulation_vision import Scene, train

SEEN = (16, 64, 256)
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained", sharey=True)
for colour, richness in zip(COLOURS, (1.0, 1e-3), strict=False):
    for axis, kind, counts, rate in ((left, "patches", SEEN, 0.05), (right, "pentominoes", (6, 10, 14), 0.5)):
        found = []
        for seen in counts:
            scene = Scene(kind, seen)
            one = jax.jit(lambda key, s=scene, r=rate, g=richness: train(key, s, richness=g, rate=r, steps=1500))
            found.append([np.array(list(one(jax.random.key(seed)).values())) for seed in range(2)])
        values = np.array(found)
        names = list(one(jax.random.key(0)))
        for name, style in (("test", "o-"), ("train", "o:")):
            axis.plot(
                counts,
                values[:, :, names.index(name)].mean(1),
                style,
                color=colour,
                markersize=4,
                label=f"{name}, richness {richness:g}",
            )
        axis.set(xlabel="kinds seen in training", title=kind, xticks=counts)
left.set(xscale="log", ylabel="accuracy, N = 512, 1,500 steps")
left.minorticks_off()
left.set_xticks(SEEN, [str(n) for n in SEEN])
left.legend()
save(figure, __file__)
