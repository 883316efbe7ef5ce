using Llama.Grains.Gateway;

namespace Llama.Grains.Tests.Structure;

/// <summary>Which parts of the library use which others.</summary>
public sealed class NamespaceTests
{
    private const string Library = "Llama.Grains";

    /// <summary>Each namespace, and those that it uses: only ones that stand before it, so there is no circle.</summary>
    private static readonly (string Namespace, string[] Uses)[] Layers =
    [
        ("Wire", []),
        ("Placement", []),
        ("Certificates", []),
        ("Generation", []),
        ("Keys", []),
        ("Settings", []),
        ("Telemetry", []),
        ("Membership", ["Certificates", "Settings"]),
        ("Options", ["Membership", "Settings"]),
        ("Links", ["Certificates", "Placement", "Settings", "Telemetry"]),
        ("Hosting", ["Certificates", "Links", "Membership", "Options", "Settings", "Telemetry", "Wire"]),
        ("Answers", ["Generation", "Hosting"]),
        ("Scheduling", ["Generation", "Links", "Placement", "Telemetry"]),
        ("Text", ["Generation", "Hosting"]),
        ("Stages", ["Answers", "Hosting", "Links", "Placement", "Settings", "Telemetry"]),
        ("Silos", ["Answers", "Hosting", "Links", "Stages"]),
        ("Gateway", ["Answers", "Generation", "Hosting", "Links", "Placement", "Scheduling", "Settings", "Silos", "Stages", "Telemetry", "Text"]),
    ];

    [Fact]
    public void Namespaces_UseOnlyThoseBelowThem()
    {
        for (int i = 0; i < Layers.Length; i++)
            Assert.Subset(Layers[..i].Select(below => below.Namespace).ToHashSet(), Layers[i].Uses.ToHashSet());

        // What the compiler and Orleans' generator add stands in namespaces of its own, or is marked as theirs.
        Type[] types = [.. typeof(LocalGateway).Assembly.GetTypes().Where(type => PartOf(type) is not null)];
        Dictionary<string, string> found = types
            .GroupBy(type => PartOf(type)!, type => CalledTypes.Of(type).Select(PartOf).OfType<string>())
            .ToDictionary(group => group.Key, group => Text(group.Key, group.SelectMany(used => used)));
        Assert.Equal(Layers.Select(layer => Text(layer.Namespace, layer.Uses)).Order(), found.Values.Order());
    }

    private static string Text(string part, IEnumerable<string> uses) =>
        $"{part} uses: {string.Join(", ", uses.Where(used => used != part).Distinct().Order(StringComparer.Ordinal))}";

    /// <summary>The namespace below the library's that a type stands in.</summary>
    private static string? PartOf(Type type) =>
        type.Namespace is { } name && name.StartsWith($"{Library}.", StringComparison.Ordinal) && type.Assembly == typeof(LocalGateway).Assembly
            ? name.Split('.')[2]
            : null;
}
