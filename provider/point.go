package provider

import (
	"errors"
	"math"
	"strconv"
	"strings"
)

// Point is a place on the map, in 10⁻⁶ degrees; the zero value is no place.
type Point struct{ Lat, Lon int64 }

// ParsePoint reads a place written as latitude and longitude in degrees, such as
// 31.23,121.47.
func ParsePoint(s string) (Point, error) {
	a, b, ok := strings.Cut(s, ",")
	lat, err1 := strconv.ParseFloat(strings.TrimSpace(a), 64)
	lon, err2 := strconv.ParseFloat(strings.TrimSpace(b), 64)
	if !ok || err1 != nil || err2 != nil || !(math.Abs(lat) <= 90) || !(math.Abs(lon) <= 180) {
		return Point{}, errors.New("a place is needed as latitude,longitude in degrees")
	}
	return Point{int64(math.Round(lat * 1e6)), int64(math.Round(lon * 1e6))}, nil
}

// shrink is how much shorter a degree of longitude is there than one of latitude,
// squared, in thousandths.
func (p Point) shrink() int64 {
	c := math.Cos(radians(p.Lat))
	return int64(math.Round(1000 * c * c))
}

func radians(micro int64) float64 { return float64(micro) * math.Pi / 180e6 }

// earth is the mean radius of the earth, in metres.
const earth = 6_371_008.8

// Distance is how far two places are from each other, in metres, along a sphere.
func Distance(a, b Point) int {
	lat1, lat2 := radians(a.Lat), radians(b.Lat)
	sinLat, sinLon := math.Sin((lat2-lat1)/2), math.Sin(radians(b.Lon-a.Lon)/2)
	h := sinLat*sinLat + math.Cos(lat1)*math.Cos(lat2)*sinLon*sinLon
	return int(math.Round(2 * earth * math.Asin(math.Sqrt(math.Min(1, h)))))
}
