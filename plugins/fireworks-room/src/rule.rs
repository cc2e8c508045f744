//! How the rule decides: one view per hazard from the latest rows. Must not know: words, citations, WebAssembly.

use crate::description::description;
use safety_brain_sdk::{
    Certainty, Delay, Description, Fault, Finding, Latest, Level, Reading, Rule, Severity, Side, Start, View, Watch, state,
};

/// Falls this far below a limit before the level is given up, °C. Own default.
const TEMPERATURE_DEADBAND: f64 = 1.0;
/// The same for humidity, % RH. Own default.
const HUMIDITY_DEADBAND: f64 = 3.0;
/// The same for mass, as a share of the quota. Own default.
const MASS_DEADBAND: f64 = 0.02;
/// Hottest stop temperature that the standard leaves to 1.1 rooms, °C.
const STOP_MAX_1_1: f64 = 34.0;

/// One building.
pub struct FireworksRoom {
    limits: Limits,
    people: Latest,
    temperature: Latest,
    humidity: Latest,
    mass: Latest,
    machine: Latest,
    storm: Latest,
    lightning: Latest,
    activity: Latest,
    season: Latest,
    /// At or above the stop temperature for as long as it may take to leave.
    overstayed: Delay,
    headcount_watch: Watch,
    machine_watch: Watch,
    quantity_watch: Watch,
    temperature_watch: Watch,
    humidity_watch: Watch,
    storm_watch: Watch,
    stop_watch: Watch,
}

struct Limits {
    mass_explosion: bool,
    people: f64,
    kg: f64,
    kg_full: f64,
    kg_red: f64,
    stop: f64,
    warn: f64,
    rh_low: f64,
    rh_very_low: f64,
    storm_km: f64,
}

impl Limits {
    fn new(start: &Start) -> Result<Limits, Vec<Fault>> {
        let mut faults = Vec::new();
        let mut quota = |input: &str, param: &'static str| {
            let bound = !start.places(input).is_empty();
            if bound && start.given(param).is_none() {
                let why = format!("`{input}` is bound, so a quota is needed: take it from the approved design");
                faults.push(Fault::param(param, why));
            }
            start.number(param)
        };
        let (people, kg) = (quota("people", "quota_people"), quota("mass", "quota_kg"));
        let mass_explosion = start.text("building_class") != "1.3";
        let stop = start.number("temp_stop");
        if mass_explosion && stop > STOP_MAX_1_1 {
            let why = format!("{stop} in a 1.1 building; at most {STOP_MAX_1_1}");
            faults.push(Fault::param("temp_stop", why));
        }
        for (input, param) in [("people", "quota_people"), ("temperature", "temp_stop")] {
            faults.extend(start.out_of_reach(input, Side::High, param));
        }
        for (input, param) in [("humidity", "rh_very_low"), ("lightning", "storm_km")] {
            faults.extend(start.out_of_reach(input, Side::Low, param));
        }
        let scales = start.places("mass");
        let most: f64 = scales.iter().map(|scale| scale.high).sum();
        if !scales.is_empty() && most <= kg {
            faults
                .push(Fault::input("mass", format!("all scales together end at {most} kg and never get past `quota_kg`, {kg}")));
        }
        let share = |param| start.number(param) / 100.0;
        match faults.is_empty() {
            true => Ok(Limits {
                mass_explosion,
                people,
                kg,
                kg_full: kg * share("kg_full_percent"),
                kg_red: kg * share("kg_red_percent"),
                stop,
                warn: stop - start.number("temp_prealarm_below"),
                rh_low: start.number("rh_low"),
                rh_very_low: start.number("rh_very_low"),
                storm_km: start.number("storm_km"),
            }),
            false => Err(faults),
        }
    }
}

impl Rule for FireworksRoom {
    fn describe() -> Description {
        description()
    }

    fn new(start: Start) -> Result<Self, Vec<Fault>> {
        let clear_s = start.number("temp_clear_s") as u32;
        let resume_s = start.number("resume_min") as u32 * 60;
        Ok(FireworksRoom {
            limits: Limits::new(&start)?,
            people: start.latest("people"),
            temperature: start.latest("temperature"),
            humidity: start.latest("humidity"),
            mass: start.latest("mass"),
            machine: start.latest("machine"),
            storm: start.latest("storm"),
            lightning: start.latest("lightning"),
            activity: start.latest("activity"),
            season: start.latest("season_stop"),
            overstayed: Delay::seconds(clear_s, 0),
            // Delays: own defaults; a headcount alarm must stand within 10 s, a heat stop within 60 s.
            headcount_watch: Watch::new("fw.headcount").on_s(5).off_s(60),
            machine_watch: Watch::new("fw.machine-room").on_s(3).off_s(10),
            quantity_watch: Watch::new("fw.quantity").on_s(10).off_s(60),
            temperature_watch: Watch::new("fw.temp.stop")
                .on_s(30)
                .level_on_s(Severity::Orange, 5)
                .level_on_s(Severity::Red, 0)
                .off_s(60),
            humidity_watch: Watch::new("fw.rh.low").on_s(120).off_s(120),
            storm_watch: Watch::new("fw.storm").off_s(resume_s),
            stop_watch: Watch::new("fw.stop-window").on_s(300).off_s(600),
        })
    }

    fn evaluate(&mut self, at: i64, readings: &[Reading]) -> Vec<Finding> {
        for latest in self.latests_mut() {
            latest.take(readings);
        }
        let findings = [
            self.headcount().and_then(|view| self.headcount_watch.tell(at, view)),
            self.machine_room().and_then(|view| self.machine_watch.tell(at, view)),
            self.quantity().and_then(|view| self.quantity_watch.tell(at, view)),
            self.heat(at).and_then(|view| self.temperature_watch.tell(at, view)),
            self.dryness().and_then(|view| self.humidity_watch.tell(at, view)),
            self.thunder().and_then(|view| self.storm_watch.tell(at, view)),
            self.season_stop().and_then(|view| self.stop_watch.tell(at, view)),
        ];
        findings.into_iter().flatten().collect()
    }

    state!(
        people,
        temperature,
        humidity,
        mass,
        machine,
        storm,
        lightning,
        activity,
        season,
        overstayed,
        headcount_watch,
        machine_watch,
        quantity_watch,
        temperature_watch,
        humidity_watch,
        storm_watch,
        stop_watch
    );
}

/// What is seen of each hazard now; `None` where the site did not bind what it needs.
impl FireworksRoom {
    /// Several counters of one room count the same people, so the highest believed one holds.
    fn headcount(&self) -> Option<View> {
        if !self.people.bound() {
            return None;
        }
        let quota = self.limits.people;
        let Some(count) = self.people.highest() else {
            return blind(&[&self.people]);
        };
        let level = match count.value {
            n if !(n <= quota) && self.limits.mass_explosion => Level::Danger(Severity::Red),
            n if !(n <= quota) => Level::Danger(Severity::Orange),
            n if n >= quota && n > 0.0 => Level::Danger(Severity::Blue),
            _ => Level::Clear,
        };
        let full = quota.max(1.0);
        let view = View::new(level, "people").numbers([count.value, quota]);
        let view = view.evidence([count.against(quota, "quota_people")]).certainty(self.people.certainty(Side::High, full));
        view.unless_hidden(&self.people, Side::High, full)
    }

    fn machine_room(&self) -> Option<View> {
        let needed = self.limits.mass_explosion && self.people.bound() && self.machine.bound();
        if !needed {
            return None;
        }
        let level = match (self.machine.any_on(), self.people.any_on()) {
            (Some(true), Some(true)) => Level::Danger(Severity::Red),
            (Some(false), _) | (_, Some(false)) => Level::Clear,
            _ => return blind(&[&self.machine, &self.people]),
        };
        let running = self.machine.votes(Side::High, 0.5);
        let inside = self.people.highest();
        let evidence = self.machine.highest().into_iter().chain(inside);
        let view = View::new(level, "machine").numbers([running as f64, inside.map_or(f64::NAN, |r| r.value)]);
        let certainty = self.machine.certainty(Side::High, 0.5);
        Some(view.evidence(evidence.map(Reading::evidence)).certainty(certainty))
    }

    /// Scales add up; a scale that cannot be believed may hold any mass.
    fn quantity(&self) -> Option<View> {
        if !self.mass.bound() {
            return None;
        }
        let limits = &self.limits;
        let kg: f64 = self.mass.counted(Side::High).map(|r| r.value).sum();
        let below = |severity| match self.quantity_watch.stands(severity) {
            true => limits.kg * MASS_DEADBAND,
            false => 0.0,
        };
        let red = if limits.mass_explosion { limits.kg } else { limits.kg_red };
        let level = match () {
            _ if !(kg <= red - below(Severity::Red)) => Level::Danger(Severity::Red),
            _ if !(kg <= limits.kg - below(Severity::Orange)) => Level::Danger(Severity::Orange),
            _ if self.mass.doubted() > 0 => return blind(&[&self.mass]),
            _ if !(kg < limits.kg_full - below(Severity::Blue)) && kg > 0.0 => Level::Danger(Severity::Blue),
            _ => Level::Clear,
        };
        let view = View::new(level, "mass").numbers([kg, limits.kg]);
        let view = view.evidence(self.mass.against(Side::High, limits.kg, "quota_kg"));
        Some(view.certainty(self.mass.certainty(Side::High, limits.kg)).hidden(self.mass.doubted() > 0))
    }

    /// Red is not the heat alone: after the stop order somebody, or a machine, is still there. A lost view of them counts as somebody.
    fn heat(&mut self, at: i64) -> Option<View> {
        if !self.temperature.bound() {
            return None;
        }
        let Some(hottest) = self.temperature.highest().copied() else {
            return blind(&[&self.temperature]);
        };
        let reaches = |limit: f64, severity| {
            let standing = self.temperature_watch.stands(severity);
            !(hottest.value < if standing { limit - TEMPERATURE_DEADBAND } else { limit })
        };
        let (stop, warn) = (reaches(self.limits.stop, Severity::Orange), reaches(self.limits.warn, Severity::Yellow));
        let least = match self.temperature_watch.stands(Severity::Yellow) {
            true => self.limits.warn - TEMPERATURE_DEADBAND,
            false => self.limits.warn,
        };
        // A hot sensor that is out of sight does not give the room another few minutes.
        let overstayed = match !stop && self.temperature.hides(Side::High, least) {
            true => self.overstayed.out(),
            false => self.overstayed.update(at, stop),
        };
        let around = [&self.people, &self.machine, &self.activity];
        let seen = around.iter().any(|i| i.any_on() == Some(true));
        let unseen = around.iter().any(|i| i.any_on().is_none());
        let level = match () {
            _ if stop && overstayed && (seen || unseen) => Level::Danger(Severity::Red),
            _ if stop => Level::Danger(Severity::Orange),
            _ if warn => Level::Danger(Severity::Yellow),
            _ => Level::Clear,
        };
        let guessed = level == Level::Danger(Severity::Red) && !seen;
        let certainty = if guessed { Certainty::Possible } else { self.temperature.certainty(Side::High, least) };
        let view = View::new(level, "temperature").numbers([hottest.value, self.limits.stop]);
        let present = self.people.highest().map(Reading::evidence);
        let evidence = [hottest.against(self.limits.stop, "temp_stop")];
        let view = view.evidence(evidence.into_iter().chain(present)).certainty(certainty);
        view.unless_hidden(&self.temperature, Side::High, least)
    }

    fn dryness(&self) -> Option<View> {
        if !self.humidity.bound() {
            return None;
        }
        let Some(driest) = self.humidity.lowest() else {
            return blind(&[&self.humidity]);
        };
        let below = |limit: f64, severity| {
            let standing = self.humidity_watch.stands(severity);
            !(driest.value >= if standing { limit + HUMIDITY_DEADBAND } else { limit })
        };
        let (level, limit, param) = match () {
            _ if below(self.limits.rh_very_low, Severity::Orange) => {
                (Level::Danger(Severity::Orange), self.limits.rh_very_low, "rh_very_low")
            }
            _ if below(self.limits.rh_low, Severity::Yellow) => (Level::Danger(Severity::Yellow), self.limits.rh_low, "rh_low"),
            _ => (Level::Clear, self.limits.rh_low, "rh_low"),
        };
        let least = match self.humidity_watch.stands(Severity::Yellow) {
            true => self.limits.rh_low + HUMIDITY_DEADBAND,
            false => self.limits.rh_low,
        };
        let view = View::new(level, "humidity").numbers([driest.value, limit]).evidence([driest.against(limit, param)]);
        view.certainty(self.humidity.certainty(Side::Low, least)).unless_hidden(&self.humidity, Side::Low, least)
    }

    /// The distance is a level: a detector without lightning must send its farthest value.
    fn thunder(&self) -> Option<View> {
        if !self.storm.bound() && !self.lightning.bound() {
            return None;
        }
        let here = self.storm.any_on();
        let nearest = self.lightning.lowest();
        let near = nearest.filter(|r| Side::Low.reaches(r.value, self.limits.storm_km));
        if here == Some(true) {
            let evidence = self.storm.highest().map(Reading::evidence);
            return Some(View::new(Level::Danger(Severity::Red), "storm-here").evidence(evidence));
        }
        let blinded = here.is_none() || self.lightning.doubted() > 0;
        let level = match near {
            Some(_) => Level::Danger(Severity::Orange),
            None if blinded => return blind(&[&self.storm, &self.lightning]),
            None => Level::Clear,
        };
        let Some(nearest) = nearest else {
            return Some(View::new(level, "storm-clear"));
        };
        let view = View::new(level, "lightning").numbers([nearest.value, self.limits.storm_km]).hidden(blinded);
        let certainty = self.lightning.certainty(Side::Low, self.limits.storm_km);
        Some(view.evidence([nearest.against(self.limits.storm_km, "storm_km")]).certainty(certainty))
    }

    fn season_stop(&self) -> Option<View> {
        let working = [&self.activity, &self.machine];
        if !self.season.bound() || working.iter().all(|i| !i.bound()) {
            return None;
        }
        match self.season.any_on() {
            Some(true) => {}
            Some(false) => return Some(View::new(Level::Clear, "no-stop")),
            None => return blind(&[&self.season]),
        }
        let on = working.iter().flat_map(|i| i.counted(Side::High)).filter(|r| r.value >= 0.5);
        let evidence: Vec<_> = on.map(Reading::evidence).collect();
        let level = match evidence.len() {
            0 if working.iter().any(|i| i.doubted() > 0) => return blind(&working),
            0 => Level::Clear,
            _ => Level::Danger(Severity::Orange),
        };
        let view = View::new(level, "stop-window").numbers([evidence.len() as f64]);
        Some(view.evidence(evidence))
    }

    fn latests_mut(&mut self) -> [&mut Latest; 9] {
        [
            &mut self.people,
            &mut self.temperature,
            &mut self.humidity,
            &mut self.mass,
            &mut self.machine,
            &mut self.storm,
            &mut self.lightning,
            &mut self.activity,
            &mut self.season,
        ]
    }
}

fn blind(inputs: &[&Latest]) -> Option<View> {
    View::blind("blind", inputs)
}
