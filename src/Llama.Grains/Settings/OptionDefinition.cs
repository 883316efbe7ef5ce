using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using System.Globalization;
using System.Reflection;
using System.Text;

namespace Llama.Grains.Settings;

/// <summary>One option: a property of an options record with everything that its attributes say.</summary>
internal sealed class OptionDefinition
{
    private readonly IReadOnlyList<ValidationAttribute> _rules;

    private OptionDefinition(PropertyInfo property, object defaults)
    {
        Property = property;
        Name = KebabCase(property.Name);
        Type = OptionType.Of(property.PropertyType);
        Description = property.GetCustomAttribute<DescriptionAttribute>()?.Description
            ?? throw new NotSupportedException($"{property.DeclaringType}.{property.Name} has no description.");
        _rules = [.. property.GetCustomAttributes<ValidationAttribute>()];
        Default = property.GetValue(defaults);
        DefaultText = Default is { } value and not "" ? Type.Format(value) : null;
    }

    /// <summary>The property.</summary>
    public PropertyInfo Property { get; }

    /// <summary>The property's name: the key in a file and, after <c>Llama__</c>, in the environment.</summary>
    public string Key => Property.Name;

    /// <summary>The name on the command line, with its dashes.</summary>
    public string Name { get; }

    /// <summary>The environment variable that sets it.</summary>
    public string EnvironmentVariable => $"{SettingsSources.Section}__{Key}";

    /// <summary>What it is for.</summary>
    public string Description { get; }

    /// <summary>How its values are written.</summary>
    public OptionType Type { get; }

    /// <summary>Whether a bare name on the command line means true.</summary>
    public bool IsSwitch => Property.PropertyType == typeof(bool);

    /// <summary>The value that the option has when nothing sets it.</summary>
    public object? Default { get; }

    /// <summary>The default, as it would be written; null where there is none.</summary>
    public string? DefaultText { get; }

    /// <summary>What is allowed, in words: the rule's own message, or type and range.</summary>
    public string Expected
    {
        get
        {
            ValidationAttribute? speaking = _rules.FirstOrDefault(rule => rule is not (RangeAttribute or RequiredAttribute));
            if (speaking is not null)
                return speaking.FormatErrorMessage(Name);
            return _rules.OfType<RangeAttribute>().FirstOrDefault() is { } range
                ? string.Create(CultureInfo.InvariantCulture, $"{Type.Expected} from {range.Minimum} to {range.Maximum}")
                : Type.Expected;
        }
    }

    /// <summary>The options of a record, in the order in which they are declared, then those that it inherits.</summary>
    /// <param name="defaults">A record with its default values.</param>
    public static IReadOnlyList<OptionDefinition> AllOf(object defaults)
        => [.. from property in defaults.GetType().GetProperties()
               where property.CanWrite
               select new OptionDefinition(property, defaults)];

    /// <summary>Whether the value that a record has passes every rule.</summary>
    public bool IsAllowed(object options) => _rules.All(rule => rule.IsValid(Property.GetValue(options)));

    private static string KebabCase(string name)
    {
        var kebab = new StringBuilder("-");
        foreach (char letter in name)
        {
            if (char.IsAsciiLetterUpper(letter))
                kebab.Append('-');
            kebab.Append(char.ToLowerInvariant(letter));
        }

        return kebab.ToString();
    }
}
