using System.Globalization;
using System.Text;

namespace Llama.Bench.Simulate;

/// <summary>A line of a plot.</summary>
/// <param name="Name">What it shows.</param>
/// <param name="Points">Its points; x above 0.</param>
internal sealed record PlotLine(string Name, IReadOnlyList<(double X, double Y)> Points);

/// <summary>Draws lines over a logarithmic axis as an SVG image.</summary>
internal static class SvgPlot
{
    private const double Left = 70;
    private const double Top = 40;
    private const double Width = 520;
    private const double Height = 300;
    private const double LegendWidth = 110;

    private static readonly string[] Colors = ["#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e", "#17becf", "#8c564b", "#7f7f7f"];

    /// <summary>Draws a plot.</summary>
    /// <param name="title">Its title.</param>
    /// <param name="xName">What the x axis shows.</param>
    /// <param name="lines">The lines.</param>
    /// <param name="logarithmic">Whether the y axis is logarithmic too; else it begins with 0.</param>
    public static string Draw(string title, string xName, IReadOnlyList<PlotLine> lines, bool logarithmic)
    {
        IEnumerable<(double X, double Y)> points = lines.SelectMany(line => line.Points);
        (double Low, double High) x = Decades(points.Select(point => point.X));
        (double Low, double High) y = logarithmic ? Decades(points.Select(point => point.Y)) : (0, 1);
        var svg = new StringBuilder();
        Append(
            svg,
            $"""
            <svg xmlns="http://www.w3.org/2000/svg" width="{Left + Width + LegendWidth}" height="{Top + Height + 50}"
              font-family="sans-serif" font-size="12">
            """);
        Append(svg, $"""<rect width="100%" height="100%" fill="white"/><text x="{Left}" y="22" font-size="15">{title}</text>""");
        foreach (double tick in Ticks(x, logarithmic: true))
        {
            double at = Left + Place(tick, x, logarithmic: true, Width);
            Append(svg, $"""<line x1="{at:0.#}" y1="{Top}" x2="{at:0.#}" y2="{Top + Height}" stroke="#ddd"/>""");
            Append(svg, $"""<text x="{at:0.#}" y="{Top + Height + 18}" text-anchor="middle">{tick}</text>""");
        }

        foreach (double tick in Ticks(y, logarithmic))
        {
            double at = Top + Height - Place(tick, y, logarithmic, Height);
            Append(svg, $"""<line x1="{Left}" y1="{at:0.#}" x2="{Left + Width}" y2="{at:0.#}" stroke="#ddd"/>""");
            Append(svg, $"""<text x="{Left - 6}" y="{at + 4:0.#}" text-anchor="end">{tick}</text>""");
        }

        Append(svg, $"""<text x="{Left + (Width / 2)}" y="{Top + Height + 40}" text-anchor="middle">{xName}</text>""");
        for (int i = 0; i < lines.Count; i++)
        {
            string path = string.Join(' ', lines[i].Points.Select(point => string.Create(
                CultureInfo.InvariantCulture,
                $"{Left + Place(point.X, x, logarithmic: true, Width):0.#},{Top + Height - Place(point.Y, y, logarithmic, Height):0.#}")));
            string color = Colors[i % Colors.Length];
            Append(svg, $"""<polyline points="{path}" fill="none" stroke="{color}" stroke-width="2"/>""");
            Append(svg, $"""<text x="{Left + Width + 10}" y="{Top + 14 + (i * 18)}" fill="{color}">{lines[i].Name}</text>""");
        }

        return svg.AppendLine("</svg>").ToString();
    }

    private static void Append(StringBuilder svg, FormattableString text) => svg.AppendLine(FormattableString.Invariant(text));

    private static (double Low, double High) Decades(IEnumerable<double> values)
    {
        double low = Math.Pow(10, Math.Floor(Math.Log10(values.Min())));
        double high = Math.Pow(10, Math.Ceiling(Math.Log10(values.Max())));
        return (low, Math.Max(high, low * 10));
    }

    private static IEnumerable<double> Ticks((double Low, double High) axis, bool logarithmic)
    {
        if (!logarithmic) return Enumerable.Range(0, 6).Select(i => axis.Low + (i * (axis.High - axis.Low) / 5));
        int first = (int)Math.Round(Math.Log10(axis.Low));
        int last = (int)Math.Round(Math.Log10(axis.High));
        return Enumerable.Range(first, last - first + 1).Select(power => Math.Round(Math.Pow(10, power), Math.Max(0, -power)));
    }

    private static double Place(double value, (double Low, double High) axis, bool logarithmic, double length) => logarithmic
        ? (Math.Log10(value) - Math.Log10(axis.Low)) / (Math.Log10(axis.High) - Math.Log10(axis.Low)) * length
        : (value - axis.Low) / (axis.High - axis.Low) * length;
}
