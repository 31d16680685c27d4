"""Effective parameters against bits, and sizes that make up for fewer bits."""

from precision_laws_common import COLOURS, PUBLISHED, laws, np, optima, plt, save

P = np.linspace(1, 16, 300)
figure, axes = plt.subplots(1, 2, figsize=(8, 3.4), layout="constrained")
for colour, part in zip(COLOURS, laws.PARTS, strict=False):
    axes[0].plot(P, optima.share(P, PUBLISHED, (part,)), color=colour, label=part)
axes[0].plot(P, optima.share(P, PUBLISHED), "k", label="all three")
axes[0].set(xlabel="bits P", ylabel="$N_{eff}/N$", ylim=(0, 1.02))
axes[0].legend()
for colour, size in zip(COLOURS, (3e7, 1e8, 3e8, 1e9), strict=False):
    contour = optima.equal_loss_size(P[P > 2], size, PUBLISHED)
    axes[1].plot(P[P > 2], contour, color=colour, label=f"N = {size:.0e} at 16 bits")
    axes[1].plot(16, size, "o", color=colour)
axes[1].set(yscale="log", ylim=(2e7, 6e10), xlabel="bits P of all parts", ylabel="parameters N of equal loss")
axes[1].legend()
save(figure, __file__)
